@echo off
rem datapath.exchange: this fills a Group Policy object with the rules of mbx1.
rem Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are
rem blanks. It deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other
rem names: empty the object first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in
rem it.
rem How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
if "%~1"=="" (echo Usage: mbx1-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
set "G=%~1"
set G| "%T%\findstr.exe" /r /x /c:"G=[A-Za-z0-9._-]*\\[A-Za-z0-9 ._-]*" >nul
if errorlevel 1 (echo Usage: mbx1-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set store gpo="%G%"
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx1.netsh" || (echo DATAPATH-FAILED 1& exit /b 1)
>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall consec delete rule name="datapath.exchange ipsec mailbox-clustering 975eba60"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall consec delete rule name="datapath.exchange clear icmp f291c608"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall mainmode delete rule name="datapath.exchange main 04039ef2"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 1932fb92"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange ff476714"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop 05160cd5"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in oab-share-pull 2b512e06"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in cluster-ping c3f43750"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in cluster-ping bcd793fa"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc a707d5a5"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc edf65727"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 3c7e0275"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 9e7ee6cd"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 4d167899"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox 13b9c948"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mailbox-clustering 8743a017"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mailbox-clustering f87cc60a"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ccr-scr-seeding ddaeb8fd"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in ccr-scr-log-shipping 17dc73c9"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi c02b73c4"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall delete rule name="datapath.exchange in management d9585223"
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx1.netsh" >nul 2>&1
>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in management d9585223" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=192.0.2.250,2001:db8:0:1::250
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi c02b73c4" dir=in action=allow description="hub-to-mailbox-mapi" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11-192.0.2.12,2001:db8:0:1::11-2001:db8:0:1::12
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in ccr-scr-log-shipping 17dc73c9" dir=in action=allow description="ccr-scr-log-shipping" profile=any protocol=tcp localport=445 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242,2001:db8:0:1::21 security=authenc
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in ccr-scr-seeding ddaeb8fd" dir=in action=allow description="ccr-scr-seeding" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242,2001:db8:0:1::21 security=authenc
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in mailbox-clustering f87cc60a" dir=in action=allow description="mailbox-clustering" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,198.51.100.240/28,2001:db8:0:1::21 security=authenc
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in mailbox-clustering 8743a017" dir=in action=allow description="mailbox-clustering" profile=any protocol=udp localport=3343 remoteip=192.0.2.21-192.0.2.22,198.51.100.240/28,2001:db8:0:1::21 security=authenc
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox 13b9c948" dir=in action=allow description="mapi-to-mailbox system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.0/26,2001:db8:0:c1::/64
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 4d167899" dir=in action=allow description="availability-cas-to-mailbox cas-to-mailbox-rpc" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 9e7ee6cd" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,192.0.2.141,198.51.100.241-198.51.100.242,2001:db8:0:1::21
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 3c7e0275" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31,192.0.2.151
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc edf65727" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11-192.0.2.12,192.0.2.131,2001:db8:0:1::11-2001:db8:0:1::12
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc a707d5a5" dir=in action=allow description="recipient-update-rpc system-attendant-listener um-to-mailbox" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.41
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in cluster-ping bcd793fa" dir=in action=allow description="cluster-ping" profile=any protocol=icmpv4:8,any remoteip=192.0.2.21-192.0.2.22,198.51.100.240/28
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in cluster-ping c3f43750" dir=in action=allow description="cluster-ping" profile=any protocol=icmpv6:128,any remoteip=2001:db8:0:1::21
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in oab-share-pull 2b512e06" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=192.0.2.31,192.0.2.151
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop 05160cd5" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250,2001:db8:0:1::250
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.31
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange ff476714" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242,2001:db8:0:1::21
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 1932fb92" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242,2001:db8:0:1::21
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall mainmode add rule name="datapath.exchange main 04039ef2" description="key exchange with these peers" endpoint1=192.0.2.21,198.51.100.241 endpoint2=192.0.2.22,198.51.100.242 profile=any mmsecmethods=dhgroup14:aes256-sha256,dhgroup14:aes128-sha256 mmkeylifetime=480min,0sess auth1=computerkerb
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall consec add rule name="datapath.exchange clear icmp f291c608" description="ICMP" endpoint1=192.0.2.21,198.51.100.241 endpoint2=192.0.2.22,198.51.100.242 action=noauthentication mode=transport profile=any protocol=icmpv4
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall consec add rule name="datapath.exchange ipsec mailbox-clustering 975eba60" description="mailbox-clustering ccr-scr-log-shipping ccr-scr-seeding recipient-update-rpc system-attendant-as-mapi-client" endpoint1=192.0.2.21,198.51.100.241 endpoint2=192.0.2.22,198.51.100.242 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set domainprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set domainprofile state on
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set privateprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set privateprofile state on
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set publicprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx1.netsh" echo advfirewall set publicprofile state on
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx1.netsh"
set "CODE=%errorlevel%"
del /q "%TEMP%\datapath-mbx1.netsh" >nul 2>&1
if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)
echo DATAPATH-DONE
exit /b 0
