@echo off
rem datapath.exchange: this fills a Group Policy object with the rules of hub2.
rem Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are
rem blanks. It deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other
rem names: empty the object first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in
rem it.
rem How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
if "%~1"=="" (echo Usage: hub2-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
set "G=%~1"
set G| "%T%\findstr.exe" /r /x /c:"G=[A-Za-z0-9._-]*\\[A-Za-z0-9 ._-]*" >nul
if errorlevel 1 (echo Usage: hub2-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
>"%TEMP%\datapath-hub2.netsh" echo advfirewall set store gpo="%G%"
"%T%\netsh.exe" -f "%TEMP%\datapath-hub2.netsh" || (echo DATAPATH-FAILED 1& exit /b 1)
>"%TEMP%\datapath-hub2.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop 05160cd5"
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in um-to-hub-smtp ced39a80"
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mailbox-to-hub-submission 9570f100"
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in edge-to-hub-smtp 163f900f"
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in hub-to-hub-smtp 81728175"
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in management d9585223"
"%T%\netsh.exe" -f "%TEMP%\datapath-hub2.netsh" >nul 2>&1
>"%TEMP%\datapath-hub2.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall add rule name="datapath.exchange in management d9585223" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=192.0.2.250,2001:db8:0:1::250
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall add rule name="datapath.exchange in hub-to-hub-smtp 81728175" dir=in action=allow description="hub-to-hub-smtp" profile=any protocol=tcp localport=25 remoteip=192.0.2.11-192.0.2.12,192.0.2.131,2001:db8:0:1::11-2001:db8:0:1::12
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall add rule name="datapath.exchange in edge-to-hub-smtp 163f900f" dir=in action=allow description="edge-to-hub-smtp" profile=any protocol=tcp localport=25 remoteip=203.0.113.11
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall add rule name="datapath.exchange in mailbox-to-hub-submission 9570f100" dir=in action=allow description="mailbox-to-hub-submission" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242,2001:db8:0:1::21
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall add rule name="datapath.exchange in um-to-hub-smtp ced39a80" dir=in action=allow description="um-to-hub-smtp um-to-hub-smtp-ssl" profile=any protocol=tcp localport=25 remoteip=192.0.2.41
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop 05160cd5" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250,2001:db8:0:1::250
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall set domainprofile logging droppedconnections enable
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall set domainprofile state on
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall set privateprofile logging droppedconnections enable
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall set privateprofile state on
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall set publicprofile logging droppedconnections enable
>>"%TEMP%\datapath-hub2.netsh" echo advfirewall set publicprofile state on
"%T%\netsh.exe" -f "%TEMP%\datapath-hub2.netsh"
set "CODE=%errorlevel%"
del /q "%TEMP%\datapath-hub2.netsh" >nul 2>&1
if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)
echo DATAPATH-DONE
exit /b 0
