@echo off
rem datapath.exchange: this makes the rules of hub2. Run it there as an administrator. hub2-undo.cmd takes it back.
rem Windows Server 2019, roles hub_transport, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It first saves the whole policy of the firewall as hub2-before.wfw beside itself, because how the profiles were set cannot be known before.
rem It ends at the first line that fails, with code 1, and before the profiles are touched where that was a rule. It does not run twice.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if exist "%~dp0hub2-before.wfw" (echo hub2.cmd has run already. Run hub2-undo.cmd first.& exit /b 3)
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange " >nul
if not errorlevel 1 (echo This host has rules of datapath.exchange already. Remove them first.& exit /b 3)
"%T%\netsh.exe" advfirewall export "%~dp0hub2-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
if not exist "%~dp0hub2-before.wfw" (echo The policy was not saved. Nothing was changed.& exit /b 4)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in management d9585223" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=192.0.2.250,2001:db8:0:1::250 || (echo DATAPATH-FAILED 2& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in hub-to-hub-smtp 81728175" dir=in action=allow description="hub-to-hub-smtp" profile=any protocol=tcp localport=25 remoteip=192.0.2.11-192.0.2.12,192.0.2.131,2001:db8:0:1::11-2001:db8:0:1::12 || (echo DATAPATH-FAILED 3& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in edge-to-hub-smtp 163f900f" dir=in action=allow description="edge-to-hub-smtp" profile=any protocol=tcp localport=25 remoteip=203.0.113.11 || (echo DATAPATH-FAILED 4& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in mailbox-to-hub-submission 9570f100" dir=in action=allow description="mailbox-to-hub-submission" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242,2001:db8:0:1::21 || (echo DATAPATH-FAILED 5& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in um-to-hub-smtp ced39a80" dir=in action=allow description="um-to-hub-smtp um-to-hub-smtp-ssl" profile=any protocol=tcp localport=25 remoteip=192.0.2.41 || (echo DATAPATH-FAILED 6& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop 05160cd5" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250,2001:db8:0:1::250 || (echo DATAPATH-FAILED 7& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 8& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile logging droppedconnections enable || (echo DATAPATH-FAILED 9& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile state on || (echo DATAPATH-FAILED 10& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 11& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile logging droppedconnections enable || (echo DATAPATH-FAILED 12& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile state on || (echo DATAPATH-FAILED 13& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 14& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile logging droppedconnections enable || (echo DATAPATH-FAILED 15& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile state on || (echo DATAPATH-FAILED 16& exit /b 1)
echo DATAPATH-DONE
exit /b 0
